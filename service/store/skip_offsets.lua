-- Notes offsets that are to be passed, unless one of them is in already as a record.
--
-- KEYS  1 live   2 state of the live generation   3 state of the one that is built beside it   4 skipped
-- ARGV  1 live generation, as the caller knows it   2 most offsets of a partition   3 now   4.. offsets, ascending
--
-- Answers {'noted', how many are new}, or without any write
--         {'refused', 'generation', live}         another is live
--         {'refused', 'past', position}           of one of the two generations, beyond the first that is new
--         {'refused', 'full', how many there are}

local live = redis.call('GET', KEYS[1]) or '1'
if live ~= ARGV[1] then
  return {'refused', 'generation', live}
end
local new = {}
for index = 4, #ARGV do
  if redis.call('HEXISTS', KEYS[4], ARGV[index]) == 0 then
    new[#new + 1] = ARGV[index]
  end
end
for index = 2, 3 do
  -- Offsets have at most 15 digits, which Lua's floats hold exactly.
  local position = redis.call('HGET', KEYS[index], 'position')
  if position and new[1] and tonumber(position) > tonumber(new[1]) then
    return {'refused', 'past', position}
  end
end
local known = redis.call('HLEN', KEYS[4])
if known + #new > tonumber(ARGV[2]) then
  return {'refused', 'full', tostring(known)}
end
for _, offset in ipairs(new) do
  redis.call('HSET', KEYS[4], offset, ARGV[3])
end
return {'noted', tostring(#new)}
