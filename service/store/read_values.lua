-- Reads values of one hash or sorted set of a partition together with the position that they stand for.
--
-- KEYS  1 live   2 state   3 hash or sorted set
-- ARGV  1 'hash' or 'zset'   2.. fields or members, at most 1000
-- Answers {live generation, position, number of fields, values}; false where missing.
-- Never writes.

local values = {}
if #ARGV > 1 then
  values = redis.call(ARGV[1] == 'hash' and 'HMGET' or 'ZMSCORE', KEYS[3], unpack(ARGV, 2))
end
return {
  redis.call('GET', KEYS[1]) or '1',
  redis.call('HGET', KEYS[2], 'position') or '',
  redis.call(ARGV[1] == 'hash' and 'HLEN' or 'ZCARD', KEYS[3]),
  values,
}
