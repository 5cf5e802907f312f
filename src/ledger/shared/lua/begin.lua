-- A gateway's connection begins. What its earlier connections still bring takes nothing from here on.
-- ARGV: run (0: a new one), run before, epoch, shift ms, a name for the ledger if it has none, this life of the server.
-- Answers: run, the server's clock in ms, shift ms, the ledger's name, whether the run (or the one before) was
-- known, and its beats.
local run, before, epoch, shift, name, life = unpack(ARGV)
redis.call('HSETNX', KEYS[1], 'shift', shift)
redis.call('HSETNX', KEYS[1], 'id', name)
-- An earlier life of the server may have known of leases that this one does not: whoever waits for all gateways waits
-- for those too, as for one more gateway that nobody sees.
if redis.call('HGET', KEYS[1], 'life') ~= life then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(redis.call('HGET', KEYS[1], 'shift'))
  redis.call('HSET', KEYS[1], 'life', life, 'lifeat', string.format('%.0f', now))
  redis.call('HSET', '{smsluice}:gateways', 'life:' .. life, '0\0000\0\0')
end
local own = run == '0' and before or run
local known, beats = redis.call('HEXISTS', KEYS[1], 'e' .. own), redis.call('HGET', KEYS[1], 'b' .. own)
if run == '0' then
  run = tostring(math.max(tonumber(redis.call('HGET', KEYS[1], 'runs') or 0), tonumber(before)) + 1)
  if before ~= '0' then
    redis.call('HSET', KEYS[1], 'e' .. before, '0')
    redis.call('HDEL', '{smsluice}:gateways', before) -- its folder has this process now
  end
end
if tonumber(redis.call('HGET', KEYS[1], 'runs') or 0) < tonumber(run) then redis.call('HSET', KEYS[1], 'runs', run) end
redis.call('HSET', KEYS[1], 'e' .. run, epoch)
local meta = redis.call('HMGET', KEYS[1], 'shift', 'id')
local time = redis.call('TIME')
return {tonumber(run), time[1] * 1000 + math.floor(time[2] / 1000), tonumber(meta[1]), meta[2], known, tonumber(beats or 0)}
