-- Reads which pools of a partition keep pairs.
--
-- KEYS  1 live   2 state   3 arenas
-- Answers {live generation, position, torn mark, layout, names}.
-- Never writes.

local state = redis.call('HMGET', KEYS[2], 'position', 'torn', 'layout')
return {
  redis.call('GET', KEYS[1]) or '1',
  state[1] or '',
  state[2] or '',
  state[3] or '',
  redis.call('HKEYS', KEYS[3]),
}
