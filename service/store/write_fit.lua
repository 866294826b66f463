-- Writes the fit of a pool's posterior, all of it or nothing.
--
-- KEYS  1 live   2 state   3 fit
-- ARGV  1 generation that it is of   2 offset that it stands for   3 players   4 noise   5 sites
-- Answers 1, or 0 without any write: where another generation is live, where the partition has gone back behind the
-- offset, where a later fit is there.

if (redis.call('GET', KEYS[1]) or '1') ~= ARGV[1] then
  return 0
end
-- Offsets have at most 15 digits, which Lua's floats hold exactly.
local position = tonumber(redis.call('HGET', KEYS[2], 'position') or '-1')
if position < tonumber(ARGV[2]) then
  return 0
end
local there = tonumber(redis.call('HGET', KEYS[3], 'offset') or '-1')
-- One of a log that has gone back since is none.
if there > tonumber(ARGV[2]) and there <= position then
  return 0
end
redis.call('HSET', KEYS[3], 'offset', ARGV[2], 'players', ARGV[3], 'noise', ARGV[4], 'sites', ARGV[5])
return 1
