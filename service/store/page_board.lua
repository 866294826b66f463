-- Reads players of a board, consecutive ones or named ones, and the rows of the pool by which to say how sure their
-- ranks are.
--
-- The order is that of ZREVRANGE: value from the largest, then name from the last, by bytes.
--
-- KEYS  1 live   2 state   3 totals   4 learned   5 rows   6 board   7 fingerprints
-- ARGV  1 pool   2 pool/system
--       3 most players whose rows are read whole; of more, so many are drawn at random
--       4 generation and 5 totals of the rows that the caller holds, 'drawn' instead of totals for drawn ones
--       6 most players of the page
--       7 where it begins: 'place', then 8 the place, from 0
--                          'around', then 8 a player who shall be in its middle
--                          'after', then 8 a value and 9 a name
--                          'named', then 8.. the players, wherever they stand
--
-- Answers {live generation, position, torn mark, layout,
--          totals (false where the pool is unknown), fingerprint of its system or false, the pool's learned row or
--          false, players on the board,
--          place of the first player (-1 where the player to be in the middle is unknown),
--          players with a larger value than that one (of named players: than each of those that are known),
--          {name, value, ...}, their rows, rows of the pool, or false where those that the caller holds are good}.
-- Never writes. Never compares strings with '<', which asks the server's locale.

local pool, most, limit, where = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[6]), ARGV[7]
local board, rows = KEYS[6], KEYS[5]

local live = redis.call('GET', KEYS[1]) or '1'
local state = redis.call('HMGET', KEYS[2], 'position', 'torn', 'layout')
local totals = redis.call('HGET', KEYS[3], pool)
local total = redis.call('ZCARD', board)

local function smaller(a, b)
  for index = 1, math.min(#a, #b) do
    local x, y = string.byte(a, index), string.byte(b, index)
    if x ~= y then
      return x < y
    end
  end
  return #a < #b
end

-- The first place after (value, name): a count above the value, then by halves among those who share it.
local function after(value, name)
  local low = redis.call('ZCOUNT', board, '(' .. value, '+inf')
  local high = low + redis.call('ZCOUNT', board, value, value)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if smaller(redis.call('ZREVRANGE', board, middle, middle)[1], name) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

local first = 0
if where == 'place' then
  first = tonumber(ARGV[8])
elseif where == 'after' then
  first = after(ARGV[8], ARGV[9])
elseif where == 'around' then
  local place = redis.call('ZREVRANK', board, ARGV[8])
  -- Near the end the page begins earlier, so that it is full.
  first = place and math.max(0, math.min(place - math.floor(limit / 2), total - limit)) or -1
end

local page, page_rows, above = {}, {}, {}
if where == 'named' then
  for index = 8, #ARGV do
    local value = redis.call('ZSCORE', board, ARGV[index])
    if value then
      page[#page + 1], page[#page + 2] = ARGV[index], value
      above[#above + 1] = redis.call('ZCOUNT', board, '(' .. value, '+inf')
    end
  end
elseif first >= 0 then
  page = redis.call('ZREVRANGE', board, first, first + limit - 1, 'WITHSCORES')
  above[1] = #page > 0 and redis.call('ZCOUNT', board, '(' .. page[2], '+inf') or 0
end
if #page > 0 then
  local names = {}
  for index = 1, #page, 2 do
    names[#names + 1] = page[index]
  end
  page_rows = redis.call('HMGET', rows, unpack(names))
end

local pool_rows = false
local held = live == ARGV[4] and ARGV[5]
if total <= most then
  if held ~= totals then
    pool_rows = redis.call('HVALS', rows)
  end
elseif held ~= 'drawn' then
  local drawn = redis.call('HRANDFIELD', rows, most, 'WITHVALUES')
  pool_rows = {}
  for index = 2, #drawn, 2 do
    pool_rows[#pool_rows + 1] = drawn[index]
  end
end

return {
  live,
  state[1] or '',
  state[2] or '',
  state[3] or '',
  totals,
  redis.call('HGET', KEYS[7], ARGV[2]),
  redis.call('HGET', KEYS[4], ARGV[2]),
  total,
  first,
  above,
  page,
  page_rows,
  pool_rows,
}
