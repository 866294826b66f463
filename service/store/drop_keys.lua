-- Deletes keys of a generation that is not read; the memory is given back beside the script.
--
-- KEYS  1 live   2.. keys, all of one generation
-- ARGV  1 live generation, as the caller knows it, which the keys are not of
-- Answers 1, or 0 without any write where another is live.

if (redis.call('GET', KEYS[1]) or '1') ~= ARGV[1] then
  return 0
end
for index = 2, #KEYS do
  redis.call('UNLINK', KEYS[index])
end
return 1
