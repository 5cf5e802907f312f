-- The SMSC has a message for certain. What it held and does not hold any more, because it was released as an
-- unknown outcome or the server has lost it, it holds again. ARGV: token, what, group or '', index, total, assembly ms.
local token, what, group, index, total, assembly = unpack(ARGV)
redis.call('HDEL', P .. 'unknown', token)
local w = split(what)
if group == '' then
  take_again(token, w)
  return 1
end
if part_sent(group, index, token) then return 1 end
take_again(token, w)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + shift()
redis.call('HSET', group, 'h', token, 'c', 1, 'n', 0, 's', 0, 'until', now + tonumber(assembly), 'done', '1', 'e', w[3],
  'what', what, 'k', '', 'total', total, 'dc', 0, 'day', w[2])
redis.call('PEXPIREAT', group, now + tonumber(assembly) + 172800000 - shift())
return 1
