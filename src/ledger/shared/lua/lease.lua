-- A gateway says which version of the holds is in force on it, and may write for a while if it is the latest.
-- ARGV: run, epoch, version, name, the run of this gateway's life before. Answers: 1, the version and the gateways (run, record, ...); or 0, the version and
-- the holds (key, record, ...); or 5 if the connection was given up. A gateway's record is a count of its leases, the
-- version and its name, with a zero octet after each.
local run, epoch, known, name, before = unpack(ARGV)
if is_fenced(run, epoch) then return {5} end
local now = string.format('%.0f', now_ms())
for _, key in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', now)) do ended(key, now, 'clock', 'its time was over') end
local latest = version()
if latest ~= known then return {0, latest, redis.call('HGETALL', HOLDS)} end
local count = tonumber(string.match(redis.call('HGET', GATEWAYS, run) or '', '^%d+') or 0) + 1
redis.call('HSET', GATEWAYS, run, table.concat({count, known, name, ''}, '\0'))
-- When it was last seen tells the others whether it may have something to give back that it could not tell (take.lua).
-- Where nobody was seen for a while, everybody may.
local newest = 0
for _, seen in ipairs(redis.call('HVALS', P .. 'seen')) do
  newest = math.max(newest, tonumber(string.match(seen, '%z(%d+)')))
end
if newest ~= 0 and tonumber(now) - newest > 1250 then redis.call('HSET', KEYS[1], 'lifeat', now) end
local life = redis.call('HGET', KEYS[1], 'lifeat') or '0'
redis.call('HSET', P .. 'seen', run, life .. '\0' .. now)
if before ~= run then redis.call('HDEL', P .. 'seen', before) end -- what that life had to tell has been told
return {1, latest, redis.call('HGETALL', GATEWAYS)}
