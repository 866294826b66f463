-- Reads what a matchup of one pool is drawn from: rows of players, open leases, how often each was suggested.
--
-- KEYS  1 live   2 state   3 totals   4 learned   5 fingerprints   6 rows   7 leases   8 exposure   9 taken
-- ARGV  1 pool   2 pool/system
--       3 most players whose rows are read whole; of more, only those of players who are named
--       4 generation and 5 totals of the whole rows that the caller holds, empty for none
--       6 leases taken and 7 leases open as the caller knows them, empty for none
--       8 '1' where exposure is wanted   9.. names of players
--
-- Answers {live generation, position, torn mark, layout,
--          totals (false where the pool is unknown), the pool's learned row or false, fingerprint or false,
--          players of the pool, leases taken, leases open,
--          {name, row, ...} of the whole pool, or rows of those named where it is larger; false where held ones are good,
--          ids of open leases, or false where those that the caller knows are all,
--          exposure, in the same two forms; false where it is not wanted, or did not change since}.
-- Never writes.
--
-- Leases are only taken by the script that counts them, so the same two numbers mean the same leases.

local MOST = 7000
local function named(key)
  local values = {}
  for start = 9, #ARGV, MOST do
    for _, value in ipairs(redis.call('HMGET', key, unpack(ARGV, start, math.min(start + MOST - 1, #ARGV)))) do
      values[#values + 1] = value
    end
  end
  return values
end

local live = redis.call('GET', KEYS[1]) or '1'
local state = redis.call('HMGET', KEYS[2], 'position', 'torn', 'layout')
local totals = redis.call('HGET', KEYS[3], ARGV[1])
local players = redis.call('HLEN', KEYS[6])
local taken = redis.call('HGET', KEYS[9], ARGV[1]) or '0'
local open = redis.call('HLEN', KEYS[7])

local whole = players <= tonumber(ARGV[3])
local rows, exposure = false, false
if not whole then
  rows = named(KEYS[6])
elseif live ~= ARGV[4] or totals ~= ARGV[5] then
  rows = redis.call('HGETALL', KEYS[6])
end
if ARGV[8] == '1' then
  if not whole then
    exposure = named(KEYS[8])
  elseif taken ~= ARGV[6] then
    exposure = redis.call('HGETALL', KEYS[8])
  end
end
return {
  live,
  state[1] or '',
  state[2] or '',
  state[3] or '',
  totals,
  redis.call('HGET', KEYS[4], ARGV[2]),
  redis.call('HGET', KEYS[5], ARGV[2]),
  players,
  taken,
  open,
  rows,
  (taken ~= ARGV[6] or tostring(open) ~= ARGV[7]) and redis.call('HKEYS', KEYS[7]),
  exposure,
}
