-- Counts where players would stand with certain values.
--
-- KEYS  1 live   2 state   3 board
-- ARGV  1 number of players   2.. the players, then the values
-- Answers {live generation, position, torn mark, layout,
--          value of each player now, false where it is not on the board,
--          players with a larger value, for each value}.
-- Never writes.

local state = redis.call('HMGET', KEYS[2], 'position', 'torn', 'layout')
local players = tonumber(ARGV[1])
local now, above = {}, {}
for index = 2, players + 1 do
  now[#now + 1] = redis.call('ZSCORE', KEYS[3], ARGV[index])
end
for index = players + 2, #ARGV do
  above[#above + 1] = redis.call('ZCOUNT', KEYS[3], '(' .. ARGV[index], '+inf')
end
return {redis.call('GET', KEYS[1]) or '1', state[1] or '', state[2] or '', state[3] or '', now, above}
