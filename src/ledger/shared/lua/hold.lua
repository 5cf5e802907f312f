-- A hold is placed. Twice is as good as once, and one that has ended is not placed again.
-- ARGV: run, epoch, key, number (0: the next), scope, owner, role, reason, since, until ('' if none).
-- Answers: what became of it (0 in force, 1 ended before, 2 too many, 5 fenced), its number, the version.
local run, epoch, key, number, scope, owner, role, reason, since, till = unpack(ARGV)
if is_fenced(run, epoch) then return {5} end
if redis.call('HEXISTS', ENDED, key) == 1 then return {1, tonumber(number), version()} end
local function is_taken(n) return (redis.call('HGET', NUMBERS, n) or key) ~= key end
local record = redis.call('HGET', HOLDS, key)
if record then
  local own = string.match(record, '^%d+')
  if number == '0' or number == own or is_taken(number) then return {0, tonumber(own), string.match(record, '^%d+%z(%d+)')} end
  redis.call('HDEL', NUMBERS, own) -- its gateway has told people another one, not knowing whether it was placed
elseif redis.call('HLEN', HOLDS) >= HOLDS_MAX then
  return {2, 0, version()}
end
if number == '0' or is_taken(number) then
  repeat number = tostring(redis.call('HINCRBY', KEYS[1], 'hn', 1)) until not is_taken(number)
elseif tonumber(number) < 1000000000 and tonumber(number) > tonumber(redis.call('HGET', KEYS[1], 'hn') or 0) then
  redis.call('HSET', KEYS[1], 'hn', number) -- one that an emptied server is told again
end
local new = next_version()
redis.call('HSET', HOLDS, key, table.concat({number, new, scope, owner, role, reason, since, till, ''}, '\0'))
redis.call('HSET', NUMBERS, number, key)
if till ~= '' then redis.call('ZADD', DUE, till, key) end
return {0, tonumber(number), new}
