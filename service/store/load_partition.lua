-- Reads what the owner of a partition needs when it takes over, all at one position.
--
-- KEYS  1 live   2 state   3 fingerprints   4 seen   5 skipped
-- Answers {live generation, state, fingerprints, seen, skipped}: four flat lists of field, value.
-- Never writes.

return {
  redis.call('GET', KEYS[1]) or '1',
  redis.call('HGETALL', KEYS[2]),
  redis.call('HGETALL', KEYS[3]),
  redis.call('HGETALL', KEYS[4]),
  redis.call('HGETALL', KEYS[5]),
}
