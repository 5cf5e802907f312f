-- A message was refused, or never left. ARGV: token, what, group or '', index. Answers whether it held anything.
local token, what, group, index = unpack(ARGV)
redis.call('HDEL', P .. 'unknown', token)
if group == '' then return give(token, split(what)) and 1 or 0 end
local part = redis.call('HGET', group, 'p' .. index)
if not part or string.sub(part, 2, 9) ~= token then return 0 end
redis.call('HDEL', group, 'p' .. index)
redis.call('HINCRBY', group, 'c', 1)
if string.sub(part, 1, 1) == 'S' then redis.call('HINCRBY', group, 's', -1) end
if redis.call('HINCRBY', group, 'n', -1) > 0 then return 1 end
local g = redis.call('HMGET', group, 'h', 'what')
local w = split(g[2])
give(g[1], w)
redis.call('DEL', group)
redis.call('ZREM', P .. 'gi:' .. w[6], group)
return 1
