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

/** The test's answers of a runtime, by the name of the call. A call without an entry answers `{}`. */
export type Answers = Readonly<Record<string, (request: { readonly [field: string]: never }) => object>>

/** An error of a runtime without its own code. */
export function unknown(details: string): Error {
  return Object.assign(new Error(details), { code: status.UNKNOWN, details })
}

/** A client of a runtime with these answers, over a real socket. It is closed at the end of the test. */
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

/** Adds the lists that an answer omits, as empty lists. */
function complete(message: object): object {
  return { images: [], containers: [], items: [], ...message }
}
