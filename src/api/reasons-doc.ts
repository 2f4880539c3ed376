import { CONDITION_REASONS } from './condition-reasons.ts'
import { EVENT_REASONS } from './event-reasons.ts'
import { FAILURE_REASONS } from './failure-reasons.ts'
import { KEPT_REASONS } from './kept-reasons.ts'
import { SKIP_REASONS } from './skip-reasons.ts'

/** docs/failure-reasons.md: all tables of reasons, in Markdown. */
export function reasonsDocument(): string {
  const failures = Object.entries(FAILURE_REASONS).map(
    ([name, row]) =>
      `| \`${name}\` | ${row.permanent ? 'once per refresh period; at once after a refresh or an edit' : 'automatically'} | ${cell(row.doc)} |`,
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

\`status.failures\` of an ImageCache and \`status.images[].reason\` of a NodeImages hold one of these reasons.
The message beside it is that of the registry, the runtime or the API server.

| reason | retried | meaning |
|---|---|---|
${failures.join('\n')}

## Why a node gets no work

\`status.skipped[].reason\` of an ImageCache holds one of these reasons.
Such nodes count neither as desired nor as failed.

| reason | meaning |
|---|---|
${skips.join('\n')}

## Why an image that was to be removed stays

\`status.kept[].reason\` of an ImageCache holds one of these reasons, or one of the table above.
In the second case the image is removed when the node gets work again.

| reason | meaning |
|---|---|
${kept.join('\n')}

## Conditions

\`status.conditions\` of an ImageCache holds these.
If there are failures, \`Degraded\` has the reason of the first one.

| condition | reason | meaning |
|---|---|---|
${conditions.join('\n')}

## Events

\`kubectl describe imagecache\` shows the events of an ImageCache.
Events of KubeFledged objects have the reasons in [operator.md](operator.md#what-it-says), and \`Repaired\`.

| reason | meaning |
|---|---|
${events.join('\n')}
`
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`)
}
