-- An operator releases an unknown outcome, on whichever gateway. ARGV: token. Answers what it was: '' if it is not
-- listed, 'part' if it is a part.
local token = ARGV[1]
local entry = redis.call('HGET', P .. 'unknown', token)
if not entry then return '' end
local w = split(entry)
if w[9] ~= '' then return 'part' end
redis.call('HDEL', P .. 'unknown', token)
give(token, w)
return entry
