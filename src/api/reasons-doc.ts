import { CONDITION_REASONS } from './condition-reasons.ts'
import { EVENT_REASONS } from './event-reasons.ts'
import { FAILURE_REASONS } from './failure-reasons.ts'
import { KEPT_REASONS } from './kept-reasons.ts'
import { SKIP_REASONS } from './skip-reasons.ts'

/** The reference page of all tables of reasons, in Markdown. */
export function reasonsDocument(): string {
  const failures = Object.entries(FAILURE_REASONS).map(
    ([name, row]) =>
      `| \`${name}\` | ${row.permanent ? 'after a refresh or an edit' : 'by itself'} | ${cell(row.doc)} |`,
  )
  const skips = Object.entries(SKIP_REASONS).map(([name, doc]) => `| \`${name}\` | ${cell(doc)} |`)
  const kept = Object.entries(KEPT_REASONS).map(([name, doc]) => `| \`${name}\` | ${cell(doc)} |`)
  const conditions = Object.entries(CONDITION_REASONS).flatMap(([type, reasons]) =>
    Object.entries(reasons).map(([name, doc]) => `| \`${type}\` | \`${name}\` | ${cell(doc)} |`),
  )
  const events = Object.entries(EVENT_REASONS).map(([name, doc]) => `| \`${name}\` | ${cell(doc)} |`)
  return `<!-- Generated from src/api by \`npm run generate\`. Do not edit. -->

# Reasons

## Why an image is not on a node

\`status.failures\` of an ImageCache and \`status.images[].reason\` of a NodeImages hold one of these. The message beside
it repeats the words of the registry, the runtime or the API server.

| reason | tried again | meaning |
|---|---|---|
${failures.join('\n')}

## Why a node gets no work

\`status.skipped[].reason\` of an ImageCache holds one of these. Such nodes count neither as desired nor as failed.

| reason | meaning |
|---|---|
${skips.join('\n')}

## Why an image that was to be removed stays

\`status.kept[].reason\` of an ImageCache holds one of these, or a reason of the table above: then the image goes once the
node gets work again.

| reason | meaning |
|---|---|
${kept.join('\n')}

## Conditions

\`status.conditions\` of an ImageCache. \`Degraded\` has the reason of the first failure where there are some.

| condition | reason | meaning |
|---|---|---|
${conditions.join('\n')}

## Events

Of an ImageCache: \`kubectl describe imagecache\`. Those of KubeFledged objects have the reasons in [operator.md](operator.md#what-it-says), and \`Repaired\`.

| reason | meaning |
|---|---|
${events.join('\n')}
`
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`)
}
