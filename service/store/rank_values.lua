-- Counts where players would stand with certain values, among the others as they stand now.
--
-- KEYS  1 live   2 state   3 board
-- ARGV  player and value, one pair after the other
-- Answers {live generation, position, torn mark, layout, other players with a larger value, for each pair}.
-- Never writes.

local state = redis.call('HMGET', KEYS[2], 'position', 'torn', 'layout')
local above = {}
for index = 1, #ARGV, 2 do
  local value = ARGV[index + 1]
  local count = redis.call('ZCOUNT', KEYS[3], '(' .. value, '+inf')
  local own = redis.call('ZSCORE', KEYS[3], ARGV[index])
  if own and tonumber(own) > tonumber(value) then
    count = count - 1
  end
  above[#above + 1] = count
end
return {redis.call('GET', KEYS[1]) or '1', state[1] or '', state[2] or '', state[3] or '', above}
