-- What several scripts share. Every key carries one hash tag, so all of them are in the slot of KEYS[1].
--
-- `what` names what a message took: number, day, effects, scope of the slot, scope of the quota, account and
-- segment, with a zero octet between them. A token is eight octets and names one reservation for all time.
local P = '{smsluice}:'
local SLOT, QUOTA, USER, OWN, SPREAD, SHADOW_SLOT, SHADOW_QUOTA, SHADOW_SPREAD = 1, 2, 4, 8, 16, 32, 64, 128

-- Reads what a message took. While a cluster moves the slot to another node, a key that is not here, or not any more, is an
-- error; so each is looked at before any is changed, and a script is done whole or not at all.
local function split(text)
  local w = {}
  for field in string.gmatch(text, '([^%z]*)%z') do w[#w + 1] = field end
  local day, bucket = w[2], string.sub(w[1], 1, 9)
  redis.call('EXISTS', P .. 's:' .. day .. ':' .. w[4] .. ':' .. bucket, P .. 'u:' .. day .. ':' .. w[5] .. ':' .. bucket,
    P .. 'q:' .. day .. ':' .. w[5], P .. 'q:' .. day .. ':' .. w[6], P .. 'unknown')
  return w
end

local function has(effects, effect) return bit.band(effects, effect) ~= 0 end

local function hash_of(kind, w, scope) return P .. kind .. ':' .. w[2] .. ':' .. scope .. ':' .. string.sub(w[1], 1, 9) end

local function field_of(w) return string.sub(w[1], 10) end

-- Where a token stands among others, nil if it does not.
local function place(tokens, token)
  for at = 1, #tokens, 8 do
    if string.sub(tokens, at, at + 7) == token then return at end
  end
end

local function holds(kind, w, scope, token)
  local tokens = redis.call('HGET', hash_of(kind, w, scope), field_of(w))
  return tokens and place(tokens, token) ~= nil
end

-- Takes a token out; whether it was there, and whether others are left.
local function drop(kind, w, scope, token)
  local key, field = hash_of(kind, w, scope), field_of(w)
  local tokens = redis.call('HGET', key, field)
  local at = tokens and place(tokens, token)
  if not at then return false, false end
  tokens = string.sub(tokens, 1, at - 1) .. string.sub(tokens, at + 8)
  if tokens == '' then redis.call('HDEL', key, field) else redis.call('HSET', key, field, tokens) end
  return true, tokens ~= ''
end

local function less(kind, w, scope)
  local key = P .. kind .. ':' .. w[2] .. ':' .. scope
  if tonumber(redis.call('GET', key) or 0) > 0 then redis.call('DECR', key) end
end

-- When a day's keys go: a day after its end, by the server's clock.
local function gone_at(day, shift) return (tonumber(day) + 2) * 86400 - 28800 - math.floor(shift / 1000) end

local function shift() return tonumber(redis.call('HGET', KEYS[1], 'shift') or 0) end

local function put(kind, w, scope, token)
  local key, field = hash_of(kind, w, scope), field_of(w)
  local tokens = redis.call('HGET', key, field) or ''
  if place(tokens, token) then return false end
  redis.call('HSET', key, field, tokens .. token)
  redis.call('EXPIREAT', key, gone_at(w[2], shift()))
  return true, tokens == ''
end

local function more(kind, w, scope)
  local key = P .. kind .. ':' .. w[2] .. ':' .. scope
  redis.call('INCR', key)
  redis.call('EXPIREAT', key, gone_at(w[2], shift()))
end

-- Gives back what a token holds; whether it held anything. A second time changes nothing.
local function give(token, w)
  local e, found = tonumber(w[3]), false
  if has(e, SLOT) then found = drop('s', w, w[4], token) end
  if has(e, USER) then
    local was, others = drop('u', w, w[5], token)
    found = found or was
    if was and not others then less('q', w, w[5]) end
  elseif has(e, QUOTA) and found then
    less('q', w, w[5])
  end
  if has(e, OWN) and found then less('q', w, w[6]) end
  if has(e, SPREAD) then found = redis.call('ZREM', P .. 'w:' .. w[7], token) == 1 or found end
  if has(e, SHADOW_SLOT) then found = drop('os', w, w[4], token) or found end
  if has(e, SHADOW_SPREAD) then found = redis.call('ZREM', P .. 'ow:' .. w[7], token) == 1 or found end
  if has(e, SHADOW_QUOTA) and (found or bit.band(e, SLOT + USER + SHADOW_SLOT) == 0) then less('oq', w, w[5]) end
  return found
end

-- Takes for a token what it was given back for, or had never been known to hold: it was sent all the same.
local function take_again(token, w)
  local e = tonumber(w[3])
  local slot = has(e, SLOT) and put('s', w, w[4], token)
  local own
  if has(e, USER) then
    local new, first = put('u', w, w[5], token)
    own = new
    if first then more('q', w, w[5]) end
  else
    own = slot
    if has(e, QUOTA) and slot then more('q', w, w[5]) end
  end
  if has(e, OWN) and own then more('q', w, w[6]) end
end

local function held(token, w)
  local e = tonumber(w[3])
  if has(e, SLOT) then return holds('s', w, w[4], token) end
  if has(e, USER) then return holds('u', w, w[5], token) end
  return has(e, SPREAD) and redis.call('ZSCORE', P .. 'w:' .. w[7], token) ~= false
end

-- A part of a group is 'P' (under way) or 'S' (sent), its token, its text.
local function group_done(group, g)
  for _, field in ipairs(redis.call('HKEYS', group)) do
    if string.sub(field, 1, 1) == 'p' then redis.call('HDEL', group, field) end
  end
  redis.call('HSET', group, 'done', '1', 'n', '0', 's', '0')
  redis.call('HINCRBY', group, 'c', 1)
end

-- The SMSC has a part, or may have it; whether its group was there.
local function part_sent(group, index, token, keep_done)
  local g = redis.call('HMGET', group, 'h', 'total', 'n', 's', 'done', 'e', 'p' .. index)
  if not g[1] then return false end
  if g[5] == '1' then return true end
  local part = g[7]
  if not part or string.sub(part, 2, 9) ~= token then
    group_done(group) -- it was given back and is there after all: no further part can be judged
    return true
  end
  if string.sub(part, 1, 1) == 'P' then
    redis.call('HSET', group, 'p' .. index, 'S' .. string.sub(part, 2))
    local sent = redis.call('HINCRBY', group, 's', 1)
    if sent == tonumber(g[2]) and sent == tonumber(g[3]) then
      if bit.band(tonumber(g[6]), 31) == 0 then
        redis.call('DEL', group) -- it holds nothing that a repeated part could take a second time
      else
        group_done(group)
      end
    end
  end
  return true
end
