-- Stores how a campaign ended, once: whoever looks later is told the same.
--
-- KEYS  1 campaigns   2 counted   3 certificates
-- ARGV  1 id   2 the campaign as it began   3 the campaign as it ended   4 its certificate
-- Answers 1, or 0 without any write where it has ended before, or is another or none by now.

if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
