// Fails when dist/ is not the build of src/ and docs/, or when what the browser loads at first has grown too large.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
import { gzipSync } from 'node:zlib'

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

/** Bytes over the network, at most. `start` is what ComfyUI's page loads at its start, `open` what the gallery loads when it is first opened. */
const MOST = { start: 5 * 1024, open: 100 * 1024 }

/** The files that a chunk of the application alone imports, those with it. */
function loaded(chunks, files, names) {
  for (const name of names.filter((one) => chunks.has(one) && !files.has(one))) {
    files.add(name)
    loaded(chunks, files, chunks.get(name).imports)
  }
  return files
}

function sizes({ output }) {
  const chunks = new Map(output.filter(({ type }) => type === 'chunk').map((chunk) => [chunk.fileName, chunk]))
  const weight = (names) => names.reduce((sum, name) => sum + gzipSync(chunks.get(name).code).length, 0)
  const holding = (end) => [...chunks.values()].find(({ moduleIds }) => moduleIds.some((id) => id.split('?')[0].endsWith(end))).fileName
  const start = loaded(chunks, new Set(), ['sdgen.js'])
  // The list of sessions is there with the application; the images are fetched a second later.
  const opened = ['alone.ts', 'surfaces.ts'].map((surface) => {
    const parts = [`/app/${surface}`, '/texts/fr/index.ts', '/images/ImagesScreen.vue'].map(holding)
    return weight([...loaded(chunks, new Set(), parts)].filter((name) => !start.has(name)))
  })
  return { start: weight([...start]), open: Math.max(...opened) }
}

const fresh = mkdtempSync(join(tmpdir(), 'sdgen-web-'))
try {
  const made = await build({ root: import.meta.dirname, logLevel: 'warn', build: { outDir: fresh, emptyOutDir: true } })
  const [committed, built] = [files(join(import.meta.dirname, 'dist')), files(fresh)]
  const names = new Set([...committed.keys(), ...built.keys()])
  const differing = [...names].filter((name) => committed.get(name) !== built.get(name)).sort()
  if (differing.length) {
    console.error(`dist/ is not the build of src/ and docs/: ${differing.join(', ')}. Run "npm run build".`)
    process.exitCode = 1
  } else {
    console.log(`dist/ is the build of src/ and docs/ (${built.size} files)`)
  }
  for (const [what, bytes] of Object.entries(sizes(made))) {
    console.log(`${what}: ${(bytes / 1024).toFixed(1)} kB of ${MOST[what] / 1024} kB, packed`)
    if (bytes > MOST[what]) process.exitCode = 1
  }
} finally {
  rmSync(fresh, { recursive: true, force: true })
}
