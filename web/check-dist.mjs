// Fails when dist/ is not the build of src/ and docs/.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'

import { build } from 'vite'

function files(folder) {
  const found = new Map()
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    found.set(relative(folder, path).split(sep).join('/'), readFileSync(path, 'utf-8').replaceAll('\r\n', '\n'))
  }
  return found
}

const fresh = mkdtempSync(join(tmpdir(), 'sdgen-web-'))
try {
  await build({ root: import.meta.dirname, logLevel: 'warn', build: { outDir: fresh, emptyOutDir: true } })
  const [committed, built] = [files(join(import.meta.dirname, 'dist')), files(fresh)]
  const names = new Set([...committed.keys(), ...built.keys()])
  const differing = [...names].filter((name) => committed.get(name) !== built.get(name)).sort()
  if (differing.length) {
    console.error(`dist/ is not the build of src/ and docs/: ${differing.join(', ')}. Run "npm run build".`)
    process.exitCode = 1
  } else {
    console.log(`dist/ is the build of src/ and docs/ (${built.size} files)`)
  }
} finally {
  rmSync(fresh, { recursive: true, force: true })
}
