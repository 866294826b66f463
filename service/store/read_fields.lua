-- Reads fields of several hashes of a partition together with the position that they stand for.
--
-- KEYS  1 live   2 state   3.. hashes
-- ARGV  for each hash: number of fields, fields
-- Answers {live generation, position, torn mark, layout, values of the first hash, ...}; false where missing.
-- Never writes.

local MOST = 7000
local state = redis.call('HMGET', KEYS[2], 'position', 'torn', 'layout')
local answer = {redis.call('GET', KEYS[1]) or '1', state[1] or '', state[2] or '', state[3] or ''}
local at = 1
for index = 3, #KEYS do
  local last = at + tonumber(ARGV[at])
  local values = {}
  for start = at + 1, last, MOST do
    for _, value in ipairs(redis.call('HMGET', KEYS[index], unpack(ARGV, start, math.min(start + MOST - 1, last)))) do
      values[#values + 1] = value
    end
  end
  answer[#answer + 1] = values
  at = last + 1
end
return answer
