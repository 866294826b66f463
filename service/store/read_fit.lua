-- Reads where the fit of a pool's posterior stands, and the fit itself unless the caller holds it.
--
-- KEYS  1 live   2 state   3 paired   4 fit
-- ARGV  1 generation and 2 offset of the fit that the caller holds, empty for none
-- Answers {live generation, position, torn mark, layout,
--          position at which a pair last changed, or false where none was counted,
--          offset of the fit, or false where there is none,
--          {players, noise, sites}, or false where there is none or the caller holds it}.
-- Never writes.

local live = redis.call('GET', KEYS[1]) or '1'
local state = redis.call('HMGET', KEYS[2], 'position', 'torn', 'layout')
local last = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')
local offset = redis.call('HGET', KEYS[4], 'offset')
local fit = false
if offset and (live ~= ARGV[1] or offset ~= ARGV[2]) then
  fit = redis.call('HMGET', KEYS[4], 'players', 'noise', 'sites')
end
return {live, state[1] or '', state[2] or '', state[3] or '', last[2] or false, offset, fit}
