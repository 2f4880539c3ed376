/** Asks a registry which digest a tag stands for right now. */
export { RegistryClient, type RegistryClientOptions, type Resolution } from './client.ts'
export type { Credentials } from './credentials.ts'
export { withDeadline } from './deadline.ts'
export {
  InvalidDockerConfigError,
  credentialsFor,
  parseDockerConfig,
  type DockerConfigEntry,
} from './docker-config.ts'
export { RegistryError, type RegistryErrorCode } from './registry-error.ts'
