-- Brings one range of offsets of a partition into Redis, whole or not at all.
--
-- KEYS  1 live   2 state   3 fingerprints   4 skipped   5.. the keys that the sections below write
-- ARGV  1 layout   2 generation that must be live   3 skipped offsets that the caller knows, their number
--       4 position from ('' = none yet)   5 position to
--       6 number of fingerprints, then that many pairs: field, text
--       then number of state fields, then that many pairs: field, value
--       then sections up to the end: index into KEYS, command, number of items, items
--         HSET  field, value      ZADD  score, member      HDEL  field      XADD  entries kept, id, value
--
-- Answers {'applied'}, or without any write
--         {'moved', stored position}            another writer, a rollback, or an answer that was lost
--         {'refused', reason, detail}           torn, layout, fingerprint: an operator decides
--                                               generation, skipped: an operator decided, read all again
-- Errors  'INVALID ...' without any write: a fault of the caller.
--
-- A rebuild writes keys of the generation after the live one, and names the one that it found live: once another is
-- live, be it its own, nothing more of it gets in.
--
-- Everything is checked before the first write, since nothing is undone. The torn mark is written first and
-- cleared last, with the position: a command that fails in between leaves it for the next reader to find.
-- Never does arithmetic, never reads a row, never touches an undeclared key.

local MOST = 7000  -- arguments that Lua can unpack at once, with room to spare

local layout, generation, skipped, from, to = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local live = redis.call('GET', KEYS[1]) or '1'
if live ~= generation then
  return {'refused', 'generation', live}
end
local state = redis.call('HMGET', KEYS[2], 'position', 'layout', 'torn')
if state[3] and state[3] ~= '' then
  return {'refused', 'torn', state[3]}
end
if state[2] and state[2] ~= layout then
  return {'refused', 'layout', state[2]}
end
-- They are never taken back, so that their number tells whether one was added.
local known = tostring(redis.call('HLEN', KEYS[4]))
if known ~= skipped then
  return {'refused', 'skipped', known}
end
if (state[1] or '') ~= from then
  return {'moved', state[1] or ''}
end
if not string.match(to, '^%d+$') then
  return redis.error_reply('INVALID position ' .. to)
end

-- At most 15 digits: what Lua's floats hold exactly, and no command finds too large.
local function whole(text)
  return string.match(text or '', '^%d+$') and #text < 16 and tonumber(text)
end

-- What repr writes of a finite float; Lua alone would also take blanks and hexadecimal, which ZADD does not.
local function finite(text)
  local value = string.match(text, '^%-?%d+%.?%d*$') or string.match(text, '^%-?%d+%.?%d*e[%+%-]?%d+$')
  value = value and tonumber(value)
  return value and value ~= math.huge and value ~= -math.huge
end

-- Walks a list of pairs whose count stands at `at`; answers where it ends.
local function pairs_end(at)
  local count = whole(ARGV[at])
  if not count or at + 2 * count > #ARGV then
    return nil
  end
  return at + 2 * count
end

local fingerprints_end = pairs_end(6)
local state_end = fingerprints_end and pairs_end(fingerprints_end + 1)
if not state_end then
  return redis.error_reply('INVALID counts')
end
local first_prints = {}
for at = 7, fingerprints_end, 2 do
  local stored = redis.call('HGET', KEYS[3], ARGV[at])
  if not stored then
    first_prints[#first_prints + 1] = at
  elseif stored ~= ARGV[at + 1] then
    return {'refused', 'fingerprint', ARGV[at]}
  end
end

local TYPES = {HSET = 'hash', HDEL = 'hash', ZADD = 'zset', XADD = 'stream'}
local WIDTH = {HSET = 2, HDEL = 1, ZADD = 2, XADD = 3}
local sections = {}
local at = state_end + 1
while at <= #ARGV do
  local index, command, count = whole(ARGV[at]), ARGV[at + 1], whole(ARGV[at + 2])
  local key = index and index > 4 and KEYS[index]
  if not key or not WIDTH[command] or not count or count < 1 then
    return redis.error_reply('INVALID section')
  end
  local last = at + 2 + count * WIDTH[command]
  if last > #ARGV then
    return redis.error_reply('INVALID count of a section')
  end
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' and kind ~= TYPES[command] then
    return redis.error_reply('INVALID type ' .. kind .. ' of ' .. key)
  end
  if command == 'ZADD' then
    for item = at + 3, last, 2 do
      if not finite(ARGV[item]) then
        return redis.error_reply('INVALID score ' .. ARGV[item])
      end
    end
  end
  if command == 'XADD' then
    local newest = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
    local before = newest and tonumber(string.match(newest[1], '^%d+')) or 0
    for item = at + 3, last, 3 do
      local kept, id = whole(ARGV[item]), whole(ARGV[item + 1])
      if not kept or kept < 1 or not id or id <= before then
        return redis.error_reply('INVALID entry ' .. ARGV[item + 1])
      end
      before = id
    end
  end
  sections[#sections + 1] = {command, key, at + 3, last, MOST - MOST % WIDTH[command]}
  at = last + 1
end

redis.call('HSET', KEYS[2], 'torn', to)
for _, print in ipairs(first_prints) do
  redis.call('HSET', KEYS[3], ARGV[print], ARGV[print + 1])
end
for _, section in ipairs(sections) do
  local command, key, last, step = section[1], section[2], section[4], section[5]
  if command == 'XADD' then
    for item = section[3], last, 3 do
      redis.call('XADD', key, 'MAXLEN', ARGV[item], ARGV[item + 1], 'v', ARGV[item + 2])
    end
  else
    for start = section[3], last, step do
      redis.call(command, key, unpack(ARGV, start, math.min(start + step - 1, last)))
    end
  end
end
redis.call('HSET', KEYS[2], 'position', to, 'layout', layout, 'torn', '', unpack(ARGV, fingerprints_end + 2, state_end))
return {'applied'}
