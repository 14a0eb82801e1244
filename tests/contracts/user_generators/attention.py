"""A GAN's generator from noise, with SAGAN's self-attention in the middle and spectral normalisation throughout."""

import torch
import torch.nn as nn
from torch.nn.utils import spectral_norm


class SelfAttention(nn.Module):
    def __init__(self, in_dim):
        super().__init__()
        self.query = spectral_norm(nn.Conv1d(in_dim, in_dim // 2, 1))
        self.key = spectral_norm(nn.Conv1d(in_dim, in_dim // 2, 1))
        self.value = spectral_norm(nn.Conv1d(in_dim, in_dim, 1))
        self.gamma = nn.Parameter(torch.full((1,), 0.5))

    def forward(self, x):
        b, c, h, w = x.size()
        flat = x.view(b, c, h * w)
        energy = torch.bmm(self.query(flat).permute(0, 2, 1), self.key(flat))
        attention = torch.softmax(energy, dim=-1)
        out = torch.bmm(self.value(flat), attention.permute(0, 2, 1)).view(b, c, h, w)
        return self.gamma * out + x


class AttentionGenerator(nn.Module):
    def __init__(self, z_dim=12, ch=8):
        super().__init__()
        self.ch = ch
        self.linear = spectral_norm(nn.Linear(z_dim, 4 * 4 * ch * 2))
        self.bn1 = nn.BatchNorm2d(ch * 2)
        self.conv1 = spectral_norm(nn.ConvTranspose2d(ch * 2, ch * 2, 4, 2, 1))
        self.bn2 = nn.BatchNorm2d(ch * 2)
        self.attn = SelfAttention(ch * 2)
        self.conv2 = spectral_norm(nn.ConvTranspose2d(ch * 2, ch, 4, 2, 1))
        self.bn3 = nn.BatchNorm2d(ch)
        self.to_rgb = spectral_norm(nn.Conv2d(ch, 3, 3, 1, 1))

    def forward(self, z):
        x = self.linear(z.flatten(1)).view(z.size(0), -1, 4, 4)
        x = self.conv1(torch.relu(self.bn1(x)))
        x = self.attn(torch.relu(self.bn2(x)))
        x = self.conv2(x)
        return torch.tanh(self.to_rgb(torch.relu(self.bn3(x))))
