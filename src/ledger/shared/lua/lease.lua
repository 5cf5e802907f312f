-- A gateway says which version of the holds is in force on it, and may write for a while if it is the latest.
-- ARGV: run, epoch, version, name. Answers: 1, the version and the gateways (run, record, ...); or 0, the version and
-- the holds (key, record, ...); or 5 if the connection was given up. A gateway's record is a count of its leases, the
-- version and its name, with a zero octet after each.
local run, epoch, known, name = unpack(ARGV)
if is_fenced(run, epoch) then return {5} end
local now = string.format('%.0f', now_ms())
for _, key in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', now)) do ended(key, now, 'clock', 'its time was over') end
local latest = version()
if latest ~= known then return {0, latest, redis.call('HGETALL', HOLDS)} end
local count = tonumber(string.match(redis.call('HGET', GATEWAYS, run) or '', '^%d+') or 0) + 1
redis.call('HSET', GATEWAYS, run, table.concat({count, known, name, ''}, '\0'))
return {1, latest, redis.call('HGETALL', GATEWAYS)}
