-- Reads pairs of a pool that changed after a position, those that changed first to begin with.
--
-- KEYS  1 live   2 state   3 totals   4 fingerprints   5 arenas   6 numbers   7 pairs   8 paired
-- ARGV  1 pool   2 pool/system
--       3 players whose numbers the caller knows
--       4 position after which they changed   5 most pairs, at most 5000
-- Answers {live generation, position, torn mark, layout,
--          totals and fingerprint (false where the pool is unknown), what is counted of pairs (false where none are),
--          {player, number, ...} of all, or nothing where the caller knows as many,
--          {pair, position at which it changed, ...}, their counts}.
-- Never writes.

local state = redis.call('HMGET', KEYS[2], 'position', 'torn', 'layout')
local numbers = {}
if tostring(redis.call('HLEN', KEYS[6])) ~= ARGV[3] then
  numbers = redis.call('HGETALL', KEYS[6])
end
local changed = redis.call('ZRANGEBYSCORE', KEYS[8], '(' .. ARGV[4], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[5])
local pairs, counts = {}, {}
for index = 1, #changed, 2 do
  pairs[#pairs + 1] = changed[index]
end
if #pairs > 0 then
  counts = redis.call('HMGET', KEYS[7], unpack(pairs))
end
return {
  redis.call('GET', KEYS[1]) or '1',
  state[1] or '',
  state[2] or '',
  state[3] or '',
  redis.call('HGET', KEYS[3], ARGV[1]),
  redis.call('HGET', KEYS[4], ARGV[2]),
  redis.call('HGET', KEYS[5], ARGV[1]),
  numbers,
  changed,
  counts,
}
