-- Reads what the last batches of a partition touched.
--
-- KEYS  1 live   2 state   3 changes
-- ARGV  1 position after which to read   2 most entries
-- Answers {live generation, position, torn mark, layout, the oldest entry that is kept or false, {id, value, ...}}.
-- Never writes.

local state = redis.call('HMGET', KEYS[2], 'position', 'torn', 'layout')
local oldest = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)[1]
local entries = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[3], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])) do
  entries[#entries + 1] = entry[1]
  entries[#entries + 1] = entry[2][2]
end
return {
  redis.call('GET', KEYS[1]) or '1',
  state[1] or '',
  state[2] or '',
  state[3] or '',
  oldest and oldest[2][2] or false,
  entries,
}
