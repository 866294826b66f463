-- Makes a generation the live one: forward only, and only once it has come as far as the one that is read.
--
-- KEYS  1 live   2 state of the live generation   3 state of the other
-- ARGV  1 live generation, as the caller knows it   2 the other   3 layout
--
-- Answers {'switched', position}, or without any write
--         {'behind', position}             of the live generation, which the other has not reached
--         {'refused', reason, detail}      generation: another is live; torn, layout: of the one to be switched to

local live = redis.call('GET', KEYS[1]) or '1'
if live ~= ARGV[1] then
  return {'refused', 'generation', live}
end
local other = redis.call('HMGET', KEYS[3], 'position', 'torn', 'layout')
if other[2] and other[2] ~= '' then
  return {'refused', 'torn', other[2]}
end
if (other[3] or '') ~= ARGV[3] then
  return {'refused', 'layout', other[3] or ''}
end
-- Offsets have at most 15 digits, which Lua's floats hold exactly.
local before = redis.call('HGET', KEYS[2], 'position')
if before and tonumber(other[1]) < tonumber(before) then
  return {'behind', before}
end
redis.call('SET', KEYS[1], ARGV[2])
return {'switched', other[1]}
