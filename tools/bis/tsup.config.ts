import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/main.ts', 'src/root-worker.ts'],
  format: ['esm'],
  target: 'node20',
  platform: 'node',
  splitting: true,
  sourcemap: true,
  clean: true,
})
