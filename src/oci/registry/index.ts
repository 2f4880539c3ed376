/** The registry client: which digest a tag has now, with the credentials of image pull Secrets. */
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
