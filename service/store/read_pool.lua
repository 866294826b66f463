-- Reads what is counted of one pool, and how many players each of its boards has.
--
-- KEYS  1 live   2 state   3 totals   4 arenas   5.. boards
-- ARGV  1 pool
-- Answers {live generation, position, torn mark, layout, totals (false where the pool is unknown),
--          what is counted of its pairs (false where none are), sizes}.
-- Never writes.

local state = redis.call('HMGET', KEYS[2], 'position', 'torn', 'layout')
local sizes = {}
for index = 5, #KEYS do
  sizes[#sizes + 1] = redis.call('ZCARD', KEYS[index])
end
return {
  redis.call('GET', KEYS[1]) or '1',
  state[1] or '',
  state[2] or '',
  state[3] or '',
  redis.call('HGET', KEYS[3], ARGV[1]),
  redis.call('HGET', KEYS[4], ARGV[1]),
  sizes,
}
