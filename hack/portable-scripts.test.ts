import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from './chart-docs.ts'

/** Scripts that users run on macOS: its bash is 3.2, its make 3.81, and its tools are those of BSD. */

/** What fails there, or means something else. */
const BANNED: Readonly<Record<string, RegExp>> = {
  'associative array, nameref or global by declare, local or typeset (bash 4)':
    /\b(declare|local|typeset)\s+-[a-zA-Z]*[Agnlu]/,
  'change of case in an expansion (bash 4)': /\$\{[A-Za-z_][A-Za-z0-9_]*(\[[^\]]*\])?(\^|,)/,
  'transformation in an expansion (bash 4.4)': /\$\{[A-Za-z_][A-Za-z0-9_]*(\[[^\]]*\])?@[A-Za-z]\}/,
  'mapfile, readarray or coproc (bash 4)': /\b(mapfile|readarray|coproc)\b/,
  '[[ -v (bash 4.2)': /\[\[\s+-v\s/,
  'globstar, lastpipe or inherit_errexit (bash 4)': /\bshopt\b.*\b(globstar|lastpipe|inherit_errexit)\b/,
  'wait -n (bash 4.3)': /\bwait\s+-n\b/,
  'read with -i or -N, or a fraction of a second (bash 4)': /\bread\s+(-[a-zA-Z]*[iN]|.*-t\s*0?\.)/,
  'printf of a time (bash 4.2)': /printf\s.*%\([^)]*\)T/,
  '|& or &>> (bash 4)': /\|&|&>>/,
  ';& or ;;& (bash 4)': /;;?&/,
  'file descriptor in a variable (bash 4.1)': /\bexec\s+\{[A-Za-z_]+\}/,
  'EPOCHSECONDS, BASHPID and the like (bash 4 and 5)': /\b(EPOCHSECONDS|EPOCHREALTIME|BASHPID|SRANDOM)\b/,
  'negative subscript (bash 4.3)': /\$\{[A-Za-z_]+\[-[0-9]/,
  'case in $(…), whose ) ends it (bash 3.2)': /\$\([^()]*\bcase\b[^()]*\)/,
  'letter beyond ASCII that becomes part of the name of a variable (bash 3.2)':
    /\$[A-Za-z_][A-Za-z0-9_]*[^ -~]/,
  'paste without a file': /\bpaste\s+-s?d?\S*\s*(\)|\||$)/,
  'in-place edit, or a long or GNU option, of sed': /\bsed\s+(-[a-zA-Z]+\s+)*(-[a-zA-Z]*[irz]|--)/,
  '\\+, \\? or \\| in an expression of sed or grep': /\b(sed|grep)\b.*[^\\]\\[+?|]/,
  '\\n in the replacement of sed': /\bsed\b.*\bs([|/]).*\1.*\\n.*\1/,
  'grep -P or --': /\bgrep\s+(-[a-zA-Z]+\s+)*(-[a-zA-Z]*P|--)/,
  'readlink -f, realpath, tac, nproc or timeout': /\breadlink\s+-f|(^|[\s|(;])(realpath|tac|nproc|timeout)\s/,
  'sha256sum without the other way': /\bsha256sum\b(?!.*\bshasum\b)/,
  'base64 -w, date -d, head -n -1, mktemp with a GNU option, sort -V or stat -c':
    /\bbase64\s+-w|\bdate\s+(-d|--)|\bhead\s+-n\s*-|\bmktemp\s+(-p|--)|\bsort\s+-\w*V|\bstat\s+-c/,
  'cp -a, cp --, ln -r or install -D': /\bcp\s+(-\w*a|--)|\bln\s+-\w*r|\binstall\s+-D/,
  'length of what wc counts, which is padded, as a text': /\$\(wc\b[^)]*\)"?\s+(=|==|!=)\s/,
}

/** An array that may be empty: bash 3.2 says of its expansion under `set -u` that it is unbound. */
function emptyArrays(text: string): string[] {
  const names = [...text.matchAll(/\b([A-Za-z_]+)=\(\)/g)].map(([, name = '']) => name)
  return names.filter(name => !text.includes(`${name}+=(`) && text.includes(`"\${${name}[@]}"`))
}

function findings(text: string): string[] {
  const found: string[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*#/.test(line)) continue
    for (const [name, pattern] of Object.entries(BANNED)) {
      if (pattern.test(line)) found.push(`line ${index + 1}: ${name}: ${line.trim()}`)
    }
  }
  return [
    ...found,
    ...emptyArrays(text).map(name => `"\${${name}[@]}" where ${name} is empty (bash 3.2, set -u)`),
  ]
}

async function scripts(): Promise<string[]> {
  const lists = await Promise.all(
    ['hack/deploy', 'hack/images'].map(async folder =>
      (await readdir(join(ROOT, folder)))
        .filter(file => file.endsWith('.sh'))
        .map(file => join(folder, file)),
    ),
  )
  return ['Makefile', 'hack/bin/node', ...lists.flat()]
}

describe('the scripts that install and release', () => {
  it('use nothing that macOS does not have', async () => {
    const files = await scripts()
    expect(files.length).toBeGreaterThan(10)
    const found = await Promise.all(
      files.map(async file =>
        findings(await readFile(join(ROOT, file), 'utf8')).map(finding => `${file}: ${finding}`),
      ),
    )
    expect(found.flat()).toEqual([])
  })

  it.each([
    'declare -A NAMED=([a]=b)',
    'local -A ids=()',
    'upper=${name^^}',
    'lower=${name,,}',
    'mapfile -t lines <file',
    'tr : "\\n" | paste -sd:',
    'x=$(sed 1d | paste -sd,)',
    'recipe=$(sha256sum "$0" | cut -c1-12)',
    'base64 -w0 file',
    "sed -i 's/a/b/' file",
    "sed -n -i 's/a/b/' file",
    "sed 's/a\\+/b/' file",
    "sed -E 's|a|b\\nc|' file",
    "grep -oP 'a' file",
    'readlink -f file',
    'realpath -m file',
    '[ "$(wc -w <<<"$x")" = 1 ]',
    'x=$(case a in a) echo b ;; esac)',
    'echo "$name…"',
    'edit=()\nsed -e 1d "${edit[@]}"',
    'command |& cat',
    '[[ -v NAME ]]',
    'echo "${list[-1]}"',
  ])('the rule finds %j', text => {
    expect(findings(text)).toHaveLength(1)
  })
})
