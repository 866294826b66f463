-- Stores a campaign of one pool, unless it is there.
--
-- KEYS  1 campaigns   2 counted
-- ARGV  1 id   2 the campaign   3 counts of its pairs   4 most campaigns of a pool
-- Answers 1 where it is there, now or before, or 0 without any write where there are as many as may be.

if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  return 1
end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return 1
