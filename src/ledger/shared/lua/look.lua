-- What has come of a message in parts. ARGV: group. Answers: version, key, total, data_coding, day, state
-- (0 nothing, 1 living, 2 done, 3 its time ended before it was whole), then each part's number and text.
local g = redis.call('HMGET', ARGV[1], 'h', 'c', 'until', 'done', 'k', 'total', 'dc', 'day', 'shift')
if not g[1] then return {'', '', 0, 0, 0, 0} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(redis.call('HGET', KEYS[1], 'shift') or 0)
local state = g[4] == '1' and 2 or 1
if now >= tonumber(g[3]) then
  if state == 2 then return {'', '', 0, 0, 0, 0} end
  state = 3
end
local answer = {g[1] .. ':' .. g[2], g[5], tonumber(g[6]), tonumber(g[7]), tonumber(g[8]), state}
if state ~= 1 then return answer end
local all = redis.call('HGETALL', ARGV[1])
for at = 1, #all, 2 do
  if string.sub(all[at], 1, 1) == 'p' then
    answer[#answer + 1] = tonumber(string.sub(all[at], 2))
    answer[#answer + 1] = string.sub(all[at + 1], 10)
  end
end
return answer
