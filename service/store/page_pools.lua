-- Reads a page of the pools of one partition, in the order of their names.
--
-- KEYS  1 live   2 state   3 pools   4 totals
-- ARGV  1 name after which the page begins ('' = at the first)   2 most names
-- Answers {live generation, position, torn mark, layout, names, their totals}.
-- Never writes.

local state = redis.call('HMGET', KEYS[2], 'position', 'torn', 'layout')
local from = ARGV[1] == '' and '-' or '(' .. ARGV[1]
local names = redis.call('ZRANGEBYLEX', KEYS[3], from, '+', 'LIMIT', 0, ARGV[2])
return {
  redis.call('GET', KEYS[1]) or '1',
  state[1] or '',
  state[2] or '',
  state[3] or '',
  names,
  #names > 0 and redis.call('HMGET', KEYS[4], unpack(names)) or {},
}
