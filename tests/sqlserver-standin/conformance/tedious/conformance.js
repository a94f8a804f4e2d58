// Reads and writes every case through tedious: node conformance.js HOST PORT CASES. Prints a line for each case and
// direction: number, "read" or "write", the text; a failure begins with "!".
'use strict'
const fs = require('fs')
const { Connection, Request, TYPES } = require('tedious')

const [host, port, path] = process.argv.slice(2)

const connection = new Connection({
  server: host,
  authentication: { type: 'default', options: { userName: 'sa', password: 'Secret1!' } },
  options: { port: Number(port), encrypt: true, trustServerCertificate: true, useUTC: true, requestTimeout: 60000 },
})

function run(sql, parameter) {
  return new Promise((resolve, reject) => {
    const rows = []
    const request = new Request(sql, (error) => (error ? reject(error) : resolve(rows)))
    if (parameter) request.addParameter('v', parameter.type, parameter.value, parameter.options)
    request.on('row', (columns) => rows.push(columns[0].value))
    if (parameter) connection.execSql(request)
    else connection.execSqlBatch(request)
  })
}

const argument = (kind, place) => {
  const inside = /\(([^)]*)\)/.exec(kind)
  return inside ? Number(inside[1].split(',')[place]) : undefined
}

function shortened(text) {
  for (const size of [1, 2, 3]) {
    const part = text.slice(0, size)
    const times = text.length / size
    if (times > 100 && Number.isInteger(times) && part.repeat(times) === text) return `${part}*${times}`
  }
  return text
}

function bits(value, real) {
  const bytes = Buffer.alloc(real ? 4 : 8)
  if (real) bytes.writeFloatBE(value)
  else bytes.writeDoubleBE(value)
  return bytes.toString('hex')
}

// Milliseconds, and what the client keeps beside them of the seven digits.
function time(value, scale) {
  const beyond = Math.round((value.nanosecondsDelta || value.nanosecondDelta || 0) * 1e7)
  const digits = (String(value.getUTCMilliseconds()).padStart(3, '0') + String(beyond % 10000).padStart(4, '0')).slice(0, scale)
  const two = (number) => String(number).padStart(2, '0')
  const clock = `${two(value.getUTCHours())}:${two(value.getUTCMinutes())}:${two(value.getUTCSeconds())}`
  return scale ? `${clock}.${digits}` : clock
}

const date = (value) =>
  `${String(value.getUTCFullYear()).padStart(4, '0')}-${String(value.getUTCMonth() + 1).padStart(2, '0')}-${String(value.getUTCDate()).padStart(2, '0')}`

function text(kind, value) {
  const base = kind.split(/[ (]/)[0]
  if (value === null) return 'NULL'
  if (base === 'real' || base === 'float') return bits(value, base === 'real')
  // The client has numbers of 53 bits, without the zeros behind the point.
  if (base.endsWith('money')) return value.toFixed(4)
  if (base === 'decimal' || base === 'numeric') return value.toFixed(argument(kind, 1))
  if (typeof value === 'boolean') return value ? '1' : '0'
  if (Buffer.isBuffer(value)) return shortened(value.toString('hex'))
  if (value instanceof Date) {
    if (base === 'date' || base === 'sql_variant') return date(value)
    if (base === 'time') return time(value, argument(kind, 0))
    if (base === 'smalldatetime') return `${date(value)} ${time(value, 0)}`
    if (base === 'datetime') return `${date(value)} ${time(value, 3)}`
    // The client gives the moment, and forgets the offset.
    return `${date(value)} ${time(value, argument(kind, 0))}`
  }
  return shortened(String(value))
}

// How a value of the kind is bound.
function bound(kind, value) {
  const base = kind.split(/[ (]/)[0]
  const types = {
    bit: TYPES.Bit, tinyint: TYPES.TinyInt, smallint: TYPES.SmallInt, int: TYPES.Int, bigint: TYPES.BigInt,
    real: TYPES.Real, float: TYPES.Float, decimal: TYPES.Decimal, numeric: TYPES.Numeric, smallmoney: TYPES.SmallMoney,
    money: TYPES.Money, char: TYPES.Char, varchar: TYPES.VarChar, text: TYPES.Text, nchar: TYPES.NChar,
    nvarchar: TYPES.NVarChar, ntext: TYPES.NText, binary: TYPES.Binary, varbinary: TYPES.VarBinary, image: TYPES.Image,
    uniqueidentifier: TYPES.UniqueIdentifier, date: TYPES.Date, time: TYPES.Time, smalldatetime: TYPES.SmallDateTime,
    datetime: TYPES.DateTime, datetime2: TYPES.DateTime2, datetimeoffset: TYPES.DateTimeOffset,
  }
  // Code pages are not the client's: text of a collation of its own goes as Unicode.
  const type = kind.includes('COLLATE') ? TYPES.NVarChar : types[base] || TYPES.NVarChar
  const options = {}
  if (['decimal', 'numeric'].includes(base)) Object.assign(options, { precision: argument(kind, 0), scale: argument(kind, 1) })
  if (['time', 'datetime2', 'datetimeoffset'].includes(base)) options.scale = argument(kind, 0)
  if (['char', 'nchar', 'binary'].includes(base)) options.length = argument(kind, 0)
  return { type, value: base === 'sql_variant' && value !== null ? String(value) : value, options }
}

async function attempt(act) {
  try {
    return await act()
  } catch (error) {
    return '!' + `${error.name}: ${error.message}`.split(/\s+/).join(' ').slice(0, 200)
  }
}

async function each(number, kind, nullability, literal) {
  let value
  const read = await attempt(async () => {
    await run(`CREATE TABLE r${number} (v ${kind} ${nullability})`)
    await run(`INSERT INTO r${number} (v) VALUES (${literal})`)
    value = (await run(`SELECT v FROM r${number}`))[0]
    return text(kind, value)
  })
  console.log([number, 'read', read].join('\t'))
  const written = await attempt(async () => {
    await run(`CREATE TABLE w${number} (v ${kind} ${nullability})`)
    await run(`INSERT INTO w${number} (v) VALUES (@v)`, bound(kind, value))
    return text(kind, (await run(`SELECT v FROM w${number}`))[0])
  })
  console.log([number, 'write', written].join('\t'))
}

connection.connect(async (error) => {
  if (error) {
    console.error(String(error))
    process.exitCode = 1
    return
  }
  await run('CREATE DATABASE conformance_tedious')
  await run('USE conformance_tedious')
  const lines = fs.readFileSync(path, 'utf8').split('\n').filter((line) => line && !line.startsWith('#'))
  for (const [index, line] of lines.entries()) {
    const [kind, nullability, literal] = line.split('\t')
    await each(index + 1, kind, nullability, literal)
  }
  connection.close()
})
