// A scheduled job of Azure Container Apps: every night, what is new in one tenant. The identity of the job signs in at Graph and
// writes to the lake, so there is no secret at all. Put the name of your group and your own values in place of those here:
//
//     az deployment group create --resource-group my-group --template-file deploy/azure/container-apps-job.bicep \
//         --parameters environmentId=… storageAccount=myaccount
//
// The identity then needs the application permissions of Graph, which an administrator gives it as he would an app:
// AiEnterpriseInteraction.Read.All, User.Read.All and Organization.Read.All.

@description('The environment of Container Apps that the job runs in.')
param environmentId string

@description('The storage account of the lake, in this resource group.')
param storageAccount string

@description('The container of the lake, which must exist.')
param container string = 'my-container'

@description('The directory (tenant) id whose interactions are read: that of the identity.')
param tenantId string = tenant().tenantId

@description('The image, by a tag that never moves.')
param image string = 'ghcr.io/promptlake/promptlake:0.1.0'

@description('The role at the container: that of deploy/policies/azure-writer-role.json, once it is made. The one here is built in, Storage Blob Data Contributor.')
param writerRoleId string = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

param location string = resourceGroup().location

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'promptlake'
  location: location
}

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageAccount
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' existing = {
  parent: account
  name: 'default'
}

resource lake 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = {
  parent: blobs
  name: container
}

// At the container, not at the account.
resource writer 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(lake.id, identity.id, writerRoleId)
  scope: lake
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', writerRoleId)
  }
}

resource job 'Microsoft.App/jobs@2025-01-01' = {
  name: 'promptlake'
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    environmentId: environmentId
    configuration: {
      triggerType: 'Schedule'
      scheduleTriggerConfig: {
        cronExpression: '17 2 * * *'
        parallelism: 1
        replicaCompletionCount: 1
      }
      // Twenty minutes after run.deadline: for a run that hangs.
      replicaTimeout: 80400
      // Exit codes are not told apart here, and one try follows another at once, so one more for what passes. 2, 3 and 4 end
      // alike again within minutes. A container that was killed is taken for alive for ten minutes, in which another try
      // ends with 6: the next night finishes what it left.
      replicaRetryLimit: 1
      // The pipeline file holds no secret, but this is how a job gets a file.
      secrets: [
        {
          name: 'pipeline'
          value: loadTextContent('contoso.toml')
        }
      ]
    }
    template: {
      containers: [
        {
          name: 'promptlake'
          image: image
          args: [
            'run'
            '/etc/promptlake/contoso.toml'
            '--set'
            'source.tenant_id=${tenantId}'
            '--set'
            'source.credential.client_id=${identity.properties.clientId}'
            '--set'
            'destination.url=abfss://${container}@${storageAccount}.dfs.${environment().suffixes.storage}/copilot'
          ]
          env: [
            // By which of its identities the job writes to the lake.
            {
              name: 'AZURE_CLIENT_ID'
              value: identity.properties.clientId
            }
          ]
          // run.memory_limit + 96 MiB is the most that the process takes, 608 MiB. Half a core comes with one gibibyte.
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          volumeMounts: [
            {
              volumeName: 'pipeline'
              mountPath: '/etc/promptlake'
            }
          ]
        }
      ]
      volumes: [
        {
          name: 'pipeline'
          storageType: 'Secret'
          secrets: [
            {
              secretRef: 'pipeline'
              path: 'contoso.toml'
            }
          ]
        }
      ]
    }
  }
  // It can write before it first runs.
  dependsOn: [
    writer
  ]
}
