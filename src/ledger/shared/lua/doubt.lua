-- Nobody knows whether the SMSC has a message: it counts as sent and is listed, if it holds what it took.
-- ARGV: token, what, group or '', index, since ms, part ('2/3' or ''), gateway. Answers whether it is listed.
local token, what, group, index, since, part, gateway = unpack(ARGV)
local w = split(what)
if group == '' then
  if not held(token, w) then return 0 end
else
  local g = redis.call('HMGET', group, 'done', 'p' .. index)
  if g[1] ~= '1' and not (g[2] and string.sub(g[2], 2, 9) == token) then return 0 end
  part_sent(group, index, token)
end
redis.call('HSET', P .. 'unknown', token, what .. since .. '\0' .. part .. '\0' .. gateway .. '\0')
return 1
