import { slowClients } from '../scenarios/slow-clients.js'

slowClients({ clients: 2000, limit: 3000 })
