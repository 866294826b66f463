-- Takes leases of one pool, if those that are open are still the ones that the caller drew from.
--
-- KEYS  1 leases   2 exposure   3 taken
-- ARGV  1 pool   2 leases taken and 3 leases open as the caller knows them   4 most open leases
--       5 number of expired leases, then their ids
--       then number of new leases, then that many pairs: id, lease
--       then number of players, then that many pairs: player, how often and where shown by now
--
-- Answers {'taken', leases taken, leases open}, or without any write
--         {'moved'}                 others took or gave back leases in between
--         {'full', leases open}     there would be too many
-- Errors  'INVALID ...' without any write: a fault of the caller.

local MOST = 7000

local function count_at(at)
  local count = string.match(ARGV[at] or '', '^%d+$') and tonumber(ARGV[at])
  return count
end

local expired = count_at(5)
local leases_at = expired and 6 + expired
local leases = leases_at and count_at(leases_at)
local players_at = leases and leases_at + 1 + 2 * leases
local players = players_at and count_at(players_at)
if not players or players_at + 2 * players ~= #ARGV or leases < 1 then
  return redis.error_reply('INVALID counts')
end

local taken = redis.call('HGET', KEYS[3], ARGV[1]) or '0'
if taken ~= ARGV[2] or tostring(redis.call('HLEN', KEYS[1])) ~= ARGV[3] then
  return {'moved'}
end
if tonumber(ARGV[3]) - expired + leases > tonumber(ARGV[4]) then
  return {'full', ARGV[3]}
end

local function each(command, key, first, last)
  for start = first, last, MOST do
    redis.call(command, key, unpack(ARGV, start, math.min(start + MOST - 1, last)))
  end
end

each('HDEL', KEYS[1], 6, leases_at - 1)
each('HSET', KEYS[1], leases_at + 1, players_at - 1)
each('HSET', KEYS[2], players_at + 1, #ARGV)
local now = redis.call('HINCRBY', KEYS[3], ARGV[1], leases)
return {'taken', now, redis.call('HLEN', KEYS[1])}
