import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server, ServerCredentials, type ServiceDefinition, status } from '@grpc/grpc-js'
import { onTestFinished } from 'vitest'
import type { UnaryMethod } from './channel.ts'
import { CriClient } from './client.ts'
import {
  type Container,
  type Image,
  ImageServiceDefinition as ImageService,
  RuntimeServiceDefinition as RuntimeService,
} from './generated/cri.ts'

/** What a test says that a runtime answers, by the names of calls; a call that is not named answers `{}`. */
export type Answers = Readonly<Record<string, (request: { readonly [field: string]: never }) => object>>

/** The error that a runtime answers without a code of its own. */
export function unknown(details: string): Error {
  return Object.assign(new Error(details), { code: status.UNKNOWN, details })
}

/** A client of a runtime that answers what the test says, over a real socket. It ends with the test. */
export async function clientOf(answers: Answers): Promise<CriClient> {
  const directory = await mkdtemp(join(tmpdir(), 'runtime-'))
  const socketPath = join(directory, 'runtime.sock')
  const server = new Server()
  for (const { fullName, methods } of [RuntimeService, ImageService]) {
    const all: UnaryMethod<object, object>[] = Object.values(methods)
    const handlers = all.map(({ name }) => [
      name,
      ({ request }: { request: never }, answer: (error: unknown, response?: object) => void) => {
        try {
          answer(null, answers[name]?.(request) ?? {})
        } catch (error) {
          answer(error)
        }
      },
    ])
    const definitions = all.map(method => [method.name, definitionOf(fullName, method)])
    const service: ServiceDefinition = Object.fromEntries(definitions)
    server.addService(service, Object.fromEntries(handlers))
  }
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix://${socketPath}`, ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    )
  })
  const client = new CriClient(socketPath)
  onTestFinished(async () => {
    client.close()
    server.forceShutdown()
    await rm(directory, { recursive: true })
  })
  return client
}

/** An image as a runtime lists it. */
export function listed(id: string, ...names: readonly string[]): Image {
  return {
    id,
    repoTags: names.filter(name => !name.includes('@')),
    repoDigests: names.filter(name => name.includes('@')),
    size: 1000,
    pinned: false,
  }
}

/** A running container as a runtime lists it. */
export function containerOf(id: string, image: string, options: Partial<Container> = {}): Container {
  return {
    id,
    podSandboxId: `pod of ${id}`,
    metadata: { name: id },
    image: undefined,
    imageRef: image,
    state: 1,
    labels: {},
    imageId: '',
    ...options,
  }
}

function definitionOf(service: string, { name, requestType, responseType }: UnaryMethod<object, object>) {
  return {
    path: `/${service}/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (message: object) => Buffer.from(requestType.encode(message).finish()),
    requestDeserialize: (bytes: Buffer) => requestType.decode(bytes),
    responseSerialize: (message: object) => Buffer.from(responseType.encode(complete(message)).finish()),
    responseDeserialize: (bytes: Buffer) => responseType.decode(bytes),
  }
}

/** Lists that an answer does not name are empty. */
function complete(message: object): object {
  return { images: [], containers: [], items: [], ...message }
}
