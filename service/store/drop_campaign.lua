-- Drops a campaign and all that is kept of it.
--
-- KEYS  hashes
-- ARGV  1 id

for _, key in ipairs(KEYS) do
  redis.call('HDEL', key, ARGV[1])
end
