-- What the scripts of holds share. A hold is known by sixteen hexadecimal digits, its key; its record is its number,
-- version, scope, owner, role, reason, since and until, with a zero octet after each. The version of the holds grows
-- with every change and is never used twice, not even by a server that has lost the latest ones.
local P = '{smsluice}:'
local HOLDS, NUMBERS, DUE, ENDED, ORDER, GATEWAYS =
  P .. 'holds', P .. 'holds:numbers', P .. 'holds:due', P .. 'holds:ended', P .. 'holds:order', P .. 'gateways'
local HOLDS_MAX, ENDED_MAX = 1000, 10000

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(redis.call('HGET', KEYS[1], 'shift') or 0)
end

local function version() return redis.call('HGET', KEYS[1], 'hv') or '0' end

local function next_version()
  local new = string.format('%.0f', math.max(tonumber(version()) + 1, now_ms()))
  redis.call('HSET', KEYS[1], 'hv', new)
  return new
end

-- A connection that was given up changes nothing.
local function is_fenced(run, epoch) return redis.call('HGET', KEYS[1], 'e' .. run) ~= epoch end

-- A hold has ended, for all time.
local function ended(key, at, by, why)
  if redis.call('HSETNX', ENDED, key, table.concat({at, by, why, ''}, '\0')) == 0 then return end
  redis.call('RPUSH', ORDER, key)
  while redis.call('LLEN', ORDER) > ENDED_MAX do redis.call('HDEL', ENDED, redis.call('LPOP', ORDER)) end
  local record = redis.call('HGET', HOLDS, key)
  if not record then return end
  redis.call('HDEL', HOLDS, key)
  redis.call('HDEL', NUMBERS, string.match(record, '^%d+'))
  redis.call('ZREM', DUE, key)
  next_version()
end
