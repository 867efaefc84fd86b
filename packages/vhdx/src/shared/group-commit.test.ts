import { expect, it } from 'vitest'
import { GroupCommit } from './group-commit.ts'

it('begins a commit after each call, and shares it among those that wait', async () => {
  let began = 0
  let finish = () => {}
  const commits = new GroupCommit(() => {
    began++
    return new Promise((resolve) => {
      finish = resolve
    })
  })
  const first = commits.run()
  const second = commits.run()
  const third = commits.run()
  expect(began).toBe(1)
  expect(third).toBe(second)
  finish()
  await first
  await Promise.resolve()
  expect(began).toBe(2)
  const fourth = commits.run()
  finish()
  await Promise.all([second, third])
  await Promise.resolve()
  expect(began).toBe(3)
  finish()
  await fourth
})

it('does not hold a failed commit against the next', async () => {
  let fail = true
  const commits = new GroupCommit(() => (fail ? Promise.reject(new Error('once')) : Promise.resolve()))
  const [first, second] = [commits.run(), commits.run()]
  fail = false
  await expect(first).rejects.toThrow('once')
  await second
})
