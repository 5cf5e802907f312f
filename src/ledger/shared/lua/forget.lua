-- A gateway has no lease any more: it has left, or has not been seen for longer than one lasts. ARGV: run, the count of
-- leases that was seen last, or '' of whoever leaves. Answers whether it was there, and had taken none since.
local run, count = unpack(ARGV)
local record = redis.call('HGET', GATEWAYS, run)
if not record or count ~= '' and string.match(record, '^%d+') ~= count then return 0 end
if count == '' then redis.call('HDEL', P .. 'seen', run) end
return redis.call('HDEL', GATEWAYS, run)
