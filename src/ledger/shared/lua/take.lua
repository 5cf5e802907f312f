-- One recipient's reservation: everything is asked before anything is taken, so a refusal leaves nothing behind.
--
-- ARGV: token, number, day, scope of the slot, scope of the quota, account, segment, numbers (packed)
-- and for a part: group, version, key, total, data_coding, index, text, assembly ms, groups at most
-- `numbers` end with the version of the holds that the gateway has in force: without the latest it is given nothing (P7).
-- Answers: code, observed (1 duplicate, 2 spread, 4 quota), subscribers counted, effects of the group joined, its version
local P = '{smsluice}:'
local TAKEN, DUPLICATE, SPREAD, QUOTA, CLOCK, FENCED, LOST, STALE, FULL, HELD, DOUBT = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local token, number, day, slot_scope, quota_scope, account, segment = unpack(ARGV, 1, 7)
local run, epoch, sent, deadline, today, effects, once, once_most, spread, spread_most, window, quota, quota_most, own_most, holds =
  struct.unpack('>I4I4I8I8I2BBBBI4I4BI4I4I8', ARGV[8])
local call = redis.call

-- One clock, the server's, opens days for all gateways; a request of a connection that was given up takes nothing.
local meta = call('HMGET', KEYS[1], 'shift', 'floor', 'e' .. run, 'hv', 'lifeat')
local time = call('TIME')
local shift = tonumber(meta[1] or 0)
local now = time[1] * 1000 + math.floor(time[2] / 1000) + shift
if tonumber(meta[3] or 0) ~= epoch then return {FENCED} end
if now > deadline then return {CLOCK} end -- nobody waits for the answer any more
if tonumber(meta[4] or 0) ~= holds then return {HELD} end
local now_day, floor, own_day = math.floor((now + 28800000) / 86400000), tonumber(meta[2] or 0), tonumber(day)
if now_day ~= today or now_day < floor or own_day < now_day or math.abs(now - sent) > 5000 then return {CLOCK} end
local function gone_at(of) return (of + 2) * 86400 - 28800 - math.floor(shift / 1000) end
if now_day > floor then
  call('HSET', KEYS[1], 'floor', now_day)
  call('SET', P .. 'day:' .. now_day, 1, 'EXAT', gone_at(now_day))
elseif call('EXISTS', P .. 'day:' .. now_day) == 0 then
  return {LOST} -- the day was opened and is not here: what it held is lost
end

-- A gateway that was not seen lately, or not since the server began, may have refused what it took here without being
-- able to say so. What stands in the way only because of that is refused for now, and not as a duplicate (P6). One
-- that stays away is waited for ten seconds.
local function is_in_doubt(seen)
  local life, at = string.match(seen or '', '^(%d+)%z(%d+)$')
  if not life then return false end
  if life ~= (meta[5] or '0') then return now < tonumber(meta[5]) + 10000 end
  return now - tonumber(at) > 1250 and now - tonumber(at) < 10000
end
local function duplicate(tokens)
  for at = 1, #tokens, 8 do
    local its_run = math.floor(struct.unpack('>I8', string.sub(tokens, at, at + 7)) / 8589934592)
    if its_run ~= run and is_in_doubt(call('HGET', P .. 'seen', its_run)) then return {DOUBT} end
  end
  return {DUPLICATE}
end
local function full(code)
  for _, seen in ipairs(call('HVALS', P .. 'seen')) do
    if is_in_doubt(seen) then return {DOUBT} end
  end
  return {code}
end

local group = ARGV[9]
if group then
  local g = call('HMGET', group, 'h', 'c', 'until', 'done', 'e')
  local there = g[1] and not (now >= tonumber(g[3]) and g[4] == '1')
  local version = there and g[1] .. ':' .. g[2] or ''
  if version ~= ARGV[10] then return {STALE} end
  if there then
    if now >= tonumber(g[3]) then return {STALE} end
    call('HSET', group, 'p' .. ARGV[14], 'P' .. token .. ARGV[15])
    call('HINCRBY', group, 'n', 1)
    local count = call('HINCRBY', group, 'c', 1)
    return {TAKEN, 0, -1, tonumber(g[5]), g[1] .. ':' .. count}
  end
  local index = P .. 'gi:' .. account
  call('ZREMRANGEBYSCORE', index, '-inf', now)
  if call('ZCARD', index) >= tonumber(ARGV[17]) then return {FULL} end
end

local bucket, field = string.sub(number, 1, 9), string.sub(number, 10)
local function counted(kind, scope) return tonumber(call('GET', P .. kind .. ':' .. day .. ':' .. scope) or 0) end
local function in_window(key) return call('ZCOUNT', key, '(' .. (now - window), '+inf') end

local slot_key, slot = P .. 's:' .. day .. ':' .. slot_scope .. ':' .. bucket, ''
if once ~= 0 then slot = call('HGET', slot_key, field) or '' end
local window_key = P .. 'w:' .. segment
if once == 2 and #slot >= once_most * 8 then
  if spread == 2 and in_window(window_key) >= spread_most then return full(SPREAD) end
  return duplicate(slot)
end
local observed = 0
if spread == 2 then
  call('ZREMRANGEBYSCORE', window_key, '-inf', now - window)
  if call('ZCARD', window_key) >= spread_most then return full(SPREAD) end
elseif spread == 1 then
  local shadow = P .. 'ow:' .. segment
  call('ZREMRANGEBYSCORE', shadow, '-inf', now - window)
  if in_window(window_key) + call('ZCARD', shadow) >= spread_most then observed = observed + 2 else effects = effects + 128 end
end
local user_key, users = P .. 'u:' .. day .. ':' .. quota_scope .. ':' .. bucket, ''
local count = quota ~= 0 and counted('q', quota_scope) or -1
if quota == 2 then
  if bit.band(effects, 4) ~= 0 then users = call('HGET', user_key, field) or '' end
  if users == '' and count >= quota_most then return full(QUOTA) end
  if bit.band(effects, 8) ~= 0 and counted('q', account) >= own_most then return full(QUOTA) end
elseif quota == 1 then
  if count + counted('oq', quota_scope) >= quota_most then observed = observed + 4 else effects = effects + 64 end
end

-- From here on it is taken.
local function more(kind, scope)
  local key = P .. kind .. ':' .. day .. ':' .. scope
  local now_counted = call('INCR', key)
  if now_counted == 1 then call('EXPIREAT', key, gone_at(own_day)) end
  return now_counted
end
local function put(key, tokens)
  call('HSET', key, field, tokens .. token)
  if tokens == '' and call('HLEN', key) == 1 then call('EXPIREAT', key, gone_at(own_day)) end
end
if once == 2 then put(slot_key, slot) end
if once == 1 then
  local key = P .. 'os:' .. day .. ':' .. slot_scope .. ':' .. bucket
  local shadow = call('HGET', key, field) or ''
  put(key, shadow)
  effects = effects + 32
  if (#slot + #shadow) / 8 + 1 > once_most then observed = observed + 1 end
end
if quota == 2 then
  if bit.band(effects, 4) ~= 0 then put(user_key, users) end
  if users == '' then count = more('q', quota_scope) end
  if bit.band(effects, 8) ~= 0 then more('q', account) end
elseif bit.band(effects, 64) ~= 0 then
  more('oq', quota_scope)
end
local function enter(key)
  call('ZADD', key, now, token)
  call('PEXPIRE', key, window)
end
if spread == 2 then enter(window_key) end
if bit.band(effects, 128) ~= 0 then enter(P .. 'ow:' .. segment) end
if not group then return {TAKEN, observed, count, effects} end

local till = now + tonumber(ARGV[16])
local forgotten = till + 172800000 -- a message that was never whole keeps its reference closed for two days
local what = table.concat({number, day, effects, slot_scope, quota_scope, account, segment, ''}, '\0')
call('DEL', group)
call('HSET', group, 'h', token, 'c', 1, 'n', 1, 's', 0, 'until', till, 'e', effects, 'what', what, 'k', ARGV[11],
  'total', ARGV[12], 'dc', ARGV[13], 'day', day, 'p' .. ARGV[14], 'P' .. token .. ARGV[15])
call('PEXPIREAT', group, forgotten - shift)
call('ZADD', P .. 'gi:' .. account, forgotten, group)
call('PEXPIREAT', P .. 'gi:' .. account, forgotten - shift)
return {TAKEN, observed, count, effects, token .. ':1'}
