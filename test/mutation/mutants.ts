import { parseSync, Visitor } from 'oxc-parser'

/** A change of one place of a source file. */
export interface Mutant {
  readonly file: string
  /** Line of the place, from 1. */
  readonly line: number
  readonly start: number
  readonly end: number
  readonly replacement: string
  /** What it does, for people: `=== → !==`. */
  readonly what: string
}

const OPPOSITES: Readonly<Record<string, string>> = {
  '===': '!==',
  '!==': '===',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '&&': '||',
  '||': '&&',
  '??': '&&',
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
}

const METHODS: Readonly<Record<string, string>> = {
  some: 'every',
  every: 'some',
  min: 'max',
  max: 'min',
  find: 'findLast',
  flatMap: 'map',
}

/** All mutants of a source file: operators, conditions, constants and methods that are turned around. */
export function mutantsOf(file: string, source: string): Mutant[] {
  const mutants: Mutant[] = []
  const lines = lineStarts(source)
  const add = (start: number, end: number, replacement: string) => {
    const before = source.slice(start, end)
    const line = lines.findLastIndex(first => first <= start) + 1
    mutants.push({
      file,
      line,
      start,
      end,
      replacement,
      what: `${shortened(before)} → ${shortened(replacement)}`,
    })
  }
  const swapOperator = (left: { end: number }, operator: string, right: { start: number }) => {
    const opposite = OPPOSITES[operator]
    const at = source.indexOf(operator, left.end)
    if (opposite !== undefined && at < right.start) add(at, at + operator.length, opposite)
  }
  const negate = ({ start, end }: { start: number; end: number }) => {
    add(start, end, `!(${source.slice(start, end)})`)
  }
  new Visitor({
    BinaryExpression: ({ left, operator, right }) => {
      // Texts that are joined are words for people.
      const isText = [left, right].some(side => side.type === 'TemplateLiteral' || isString(side))
      if (!isText) swapOperator(left, operator, right)
    },
    LogicalExpression: ({ left, operator, right }) => swapOperator(left, operator, right),
    UnaryExpression: ({ operator, argument, start, end }) => {
      if (operator === '!') add(start, end, source.slice(argument.start, argument.end))
    },
    IfStatement: ({ test }) => negate(test),
    ConditionalExpression: ({ test }) => negate(test),
    Literal: ({ value, start, end }) => {
      if (typeof value === 'boolean') add(start, end, String(!value))
      if (typeof value === 'number') add(start, end, String(value === 0 ? 1 : value * 2))
    },
    CallExpression: ({ callee }) => {
      if (callee.type !== 'MemberExpression' || callee.computed) return
      const { name, start, end } = callee.property as { name: string; start: number; end: number }
      const other = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined
      if (other !== undefined) add(start, end, other)
    },
  }).visit(parseSync(file, source).program)
  return mutants.filter(({ start }) => !isType(source, start))
}

/** The source with the mutant in it. */
export function mutated(source: string, { start, end, replacement }: Mutant): string {
  return source.slice(0, start) + replacement + source.slice(end)
}

function isString(node: { type: string; value?: unknown }): boolean {
  return node.type === 'Literal' && typeof node.value === 'string'
}

/** Literals of types, such as `kind: true`, are no code. */
function isType(source: string, start: number): boolean {
  const line = source.slice(source.lastIndexOf('\n', start) + 1, start)
  return /^\s*(readonly |\| )/.test(line) || /^\s*(export )?type /.test(line)
}

function lineStarts(source: string): number[] {
  return [0, ...Array.from(source.matchAll(/\n/g), ({ index }) => index + 1)]
}

function shortened(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length > 60 ? `${line.slice(0, 57)}…` : line
}
