-- Notes which consumer group brings a topic in, where none is noted or the one that is may be stepped in for.
--
-- KEYS  1 group
-- ARGV  1 group that asks   2 group that it may step in for, empty for none
-- Answers the group that is noted now. Writes nothing where that is another.

local noted = redis.call('GET', KEYS[1]) or ''
if noted == '' or noted == ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[1])
  return ARGV[1]
end
return noted
