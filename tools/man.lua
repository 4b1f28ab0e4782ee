-- Turns the markdown of the manual pages into what a manual page has: a heading of the third level is
-- a tagged paragraph, and code is bold, in letters that can be copied back into a shell, and not
-- hyphenated.

local ESCAPES = {
  ["\\"] = "\\e", ["-"] = "\\-", ["'"] = "\\(aq", ["`"] = "\\(ga", ["^"] = "\\(ha", ["~"] = "\\(ti",
}

--- Text as roff takes it literally.
local function literal(text)
  return (text:gsub("[\\%-'`%^~]", ESCAPES))
end

local function roff(text)
  return pandoc.RawBlock("man", text)
end

function Code(code)
  return pandoc.RawInline("man", "\\fB\\%" .. literal(code.text) .. "\\fR")
end

function CodeBlock(block)
  -- A dot at the start of a line would be a request.
  local text = ("\n" .. literal(block.text)):gsub("\n%.", "\n\\&."):sub(2)
  return roff(".IP\n.EX\n" .. text .. "\n.EE")
end

--- Inlines as roff on one line.
local function line(inlines)
  local text = pandoc.write(pandoc.Pandoc({ pandoc.Plain(inlines) }), "man", { wrap_text = "wrap-none" })
  return (text:gsub("%s+$", ""))
end

function Pandoc(document)
  local blocks = {}
  local tagged, first = false, false -- within a tagged paragraph; right behind a heading or tag
  for _, block in ipairs(document.blocks) do
    if block.t == "Header" then
      if tagged and block.level < 3 then table.insert(blocks, roff("")) end
      tagged, first = block.level >= 3, true
      table.insert(blocks, tagged and roff(".TP\n" .. line(block.content)) or block)
    elseif first and block.t == "Para" then
      -- The heading begins a paragraph already.
      table.insert(blocks, pandoc.Plain(block.content))
      first = false
    elseif tagged then
      if block.t == "Para" then
        table.insert(blocks, roff(".IP"))
        block = pandoc.Plain(block.content)
      elseif block.t ~= "RawBlock" then
        table.insert(blocks, roff(".RS"))
        table.insert(blocks, block)
        block = roff(".RE")
      end
      table.insert(blocks, block)
      first = false
    else
      table.insert(blocks, block)
      first = false
    end
  end
  return pandoc.Pandoc(blocks, document.meta)
end
