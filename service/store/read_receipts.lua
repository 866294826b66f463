-- Reads receipts of records of one partition.
--
-- KEYS  1 live   2 state   3 receipts
-- ARGV  positions that have the records in
-- Answers {live generation, position, torn mark, layout, receipts: false where there is none (any more)}.
-- Never writes.

local state = redis.call('HMGET', KEYS[2], 'position', 'torn', 'layout')
local found = {}
for index, id in ipairs(ARGV) do
  local entry = redis.call('XRANGE', KEYS[3], id, id)[1]
  found[index] = entry and entry[2][2] or false
end
return {redis.call('GET', KEYS[1]) or '1', state[1] or '', state[2] or '', state[3] or '', found}
